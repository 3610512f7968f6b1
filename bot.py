"""Entry point: `python bot.py …` is the console script `newswatch`."""

from monitor.cli import main

if __name__ == "__main__":
    main()
