"""ALFWorld: household tasks in text, on its own games or generated ones.

``env``, ``vector``                   the environment, and many of them in one call
``games``, ``tasks``, ``solvable``    game files, the tasks among them, and which can be solved
``generate``, ``problem_text``        games made here, and how they are written down
``tables``, ``rooms``                 what they are made of: ``world.json``, ``rooms.json`` and the maker of the second
``published``                         the domain and the grammar that game files of ALFWorld's format carry
``problem``, ``goal``                 the planning problem of a game, and what fulfils it
``native_engine``, ``layout``         the rules played in plain Python, on a compiled game
``rules``, ``answers``, ``wording``   what can be done, how it is answered, in which words
``textworld_engine``, ``grammar``     the libraries that ALFWorld itself runs on
``situation``, ``progress``           what the distance to the goal needs of a state, and the distance
``signals``, ``handcoded``, ``keys``  what else a step achieved, ALFWorld's own expert, names of states
"""
