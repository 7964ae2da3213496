"""A structured-concurrency trading engine for BitMart Futures V2."""
