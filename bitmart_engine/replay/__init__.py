"""Playing orders over recorded candles: the real engine on the paper exchange, on a clock that jumps.

`candles` and `orders` read the two files, `market` makes trades of candles, `playing` runs it all, `trades` is the
arithmetic of what came of it. `clock` is time. Nothing else of the package imports this room but the command line.
"""
