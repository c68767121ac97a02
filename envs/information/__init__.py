"""Games of asking: an agent finds out a secret by questions in plain language.

``env``                                  the turns that every such game shares (``QuestionEnv``)
``candidates``                           games over a known world, with the exact belief (``CandidateEnv``)
``twenty_questions``, ``guess_my_city``  the two of this kind
``world``, ``atlas``, ``language``       things and what tells them apart, the cities, questions in English
``scenarios``, ``cases``                 games in which each task has its own facts (``ScenarioEnv``), and these facts
``murder_mystery``, ``customer_service``, ``personalization``  the three of this kind
``judge``, ``reward``, ``sources``       a model that answers instead, what a turn earns, files of secrets
"""
