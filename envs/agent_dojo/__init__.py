"""Work done with tools whose answers may hold somebody else's orders: AgentDojo, and two suites of our own.

``suite``      what a suite of tasks offers, embedded or published
``effects``    what changed in a world, and which calls' effects are in it
``embedded``   a suite of our own: tables, tools, tasks, and places where an injection may stand
``office``     mail, calendar and files; ``bank``: payments, standing orders and letters
``wordings``   ways in which an injection is worded
``package``    AgentDojo's own modules, loaded without its model clients
``published``  its suites
``episode``    the rules of an episode, a moment as a value
``env``        the Gymnasium face
"""
