"""A chat whose answers come from a script, for tests at a terminal: ``python -m tests.cli.chatting [--ask] [NAME]``."""

from __future__ import annotations

import sys
import time
from contextlib import closing

from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.cli.chat import converse
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools.base import ToolOutput, vision_tool

SCRIPT = [
    "#1 = adjust_image(image=$1, saturation=0)",
    "The picture is grey.",
    "#1 = dream(image=$1)\n#2 = transform_image(image=#1, rotate=90)",
    "#1 = transform_image(image=$1, rotate=90)",
    "The picture is turned.",
]


@vision_tool("sleep over a picture", returns=Kind.IMAGE)
def dream(image: Image.Image) -> ToolOutput:
    """Take a minute over a picture."""
    time.sleep(60)
    return ToolOutput(image, "I dreamt.")


def main() -> None:
    asks, names = "--ask" in sys.argv, [word for word in sys.argv[1:] if word != "--ask"]
    asked = ["adjust_image"] if asks else []
    with closing(VisionGPT(ScriptedChat(script=SCRIPT), tools=[dream], ask_before=asked)) as agent:
        converse(agent, *names)


if __name__ == "__main__":
    main()
