"""Playing orders over recorded candles: the real engine on the paper exchange, on a clock that jumps.

`candles` and `orders` read the two files; `market` makes trades of candles, `leaping` says which are passed over;
`clock` is time, `network` connects; `playing` runs it all. `trades` is the arithmetic of what came of it, `report` and
`chart` say it. Nothing else of the package imports this room but the command line.
"""
