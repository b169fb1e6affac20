"""``python -m visiongpt_agent`` is ``visiongpt``."""

from visiongpt_agent.cli import main

if __name__ == "__main__":
    main()
