"""`python -m bitmart_engine` is `bitmart-engine`."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="bitmart-engine")
