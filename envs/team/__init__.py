"""Teams: several roles answer one question in turn, and only the last answer is graded.

``env``, ``turns``, ``roles``                  the two environments, their turns, who hears whom
``pettingzoo``                                 every role as an agent
``game``                                       the team game whose Q, V, advantage and influence are exact
``problems``, ``generated``, ``sources``       problems, those made here, those of published files
``overlap``                                    whether training and evaluation share problems
``grade_math``, ``math_worker``                answers graded by their value
``math_answer``, ``math_form``                 the answer in a message, its name, value, unit and base
``math_number``, ``math_unit``                 numbers and units as people write them
``grade_code``, ``sandbox``                    programs graded by their tests, shut in
``sandbox_child``, ``sandbox_call``, ``pool``  the sandbox from inside, calls between its processes, workers
``sandbox_wire``, ``sandbox_values``           the messages of those calls, and the values in them
"""
