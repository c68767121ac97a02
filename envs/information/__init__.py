"""Games of asking: an agent finds out a secret by questions in plain language.

``core.QuestionEnv`` is the turn loop of every such game, ``candidates.CandidateEnv`` adds the exact belief over a known
world (``world``), asked about in English (``language``). ``scenarios.ScenarioEnv`` has
facts of its own for each task. ``judge.LLMJudge`` lets a language model answer instead.
"""
