"""How the small planner was trained: requests with plans, and the fine-tuning that learns from them.

The data begins with examples that were written by hand (``examples/*.txt``). Each is varied (:mod:`.variants`: other
words in its places, other wordings), put into other conversations (:mod:`.conversations`) and typed by other people
(:mod:`.voices`); short wishes are composed into longer ones (:mod:`.compositions`). :mod:`.records` draws from all of
them, :mod:`.catalogues` shows the tools shuffled, cut, renamed or replaced by invented ones so that the model reads the
catalogue, and :mod:`.fine_tuning` trains a LoRA adapter (:mod:`.lora`) on the stream. Everything follows from a seed.

``python -m visiongpt_agent.training --help`` lists the commands.
"""
