"""What the engine relies on in BitMart's protocol: one set of cases, for the paper exchange and for BitMart itself."""
