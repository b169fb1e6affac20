"""The web page: a conversation about pictures in the browser (``visiongpt ui``)."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: nothing is told to anybody
