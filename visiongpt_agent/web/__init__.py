"""The web page: a conversation about pictures in the browser (``visiongpt ui``)."""
