"""VisionGPT as an MCP server, ``visiongpt mcp``: the agent as one tool, and the vision tools one by one.

Pictures come as base64, as data URLs, or by the name of a file in the one folder that is shown; they go back as image
content in small and as resources in full size.
"""
