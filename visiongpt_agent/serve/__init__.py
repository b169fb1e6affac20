"""VisionGPT over HTTP: ``visiongpt serve``, or :func:`visiongpt_agent.serve.app.create_app` in a server of your own.

One process, one pool of models. Every conversation has an agent and a folder of pictures of its own, so that none can
name another's, and both go when the conversation expires.
"""
