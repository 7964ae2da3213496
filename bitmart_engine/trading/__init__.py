"""The monitors and the order lifecycle: what to do when the price, the exchange or the user says something."""
