"""credit/Tau2-v0: agents that serve a customer with tools, under a policy, on a database.

``env``, ``conversation``                 the environment, and one conversation as a value
``domain``, ``folder``, ``library``       what a domain is, the published ones, the embedded one
``mock``, ``retail``, ``airline``         the tools of the published domains
``telecom``, ``phone_tools``              those of the telecom agent, and of its customer
``orders``, ``reservations``, ``lookup``  what these tools rest on
``carrier``, ``phone``, ``phone_scenes``  what those of telecom rest on, and how its tasks break a phone
``phone_owner``, ``phone_requests``       its customer without a model, and what such a customer takes for a request
``arithmetic``, ``handover``              tools of several domains
``toolkit``, ``database``, ``models``     tools and their schemas, versions of a database, rows as tau2 shows them
``tasks``, ``users``, ``actions``         tasks, customers, and what an agent may write
``reward``, ``progress``, ``judge``       the grade, the distance to the goal, a model that checks sentences
``results``, ``episodes``, ``checkout``   tau2's files, conversations of others as episodes, tau2's own orchestrator
``replaying``, ``reference``              recorded calls made again, the reference solution step by step
"""
