"""Every published table and claim by one name: what makes it, and how it ends.

- ``claim``: what was published, which cells of our tables answer it, and the verdict.
- ``catalogue``: all of them, with the commands that make the tables.
- ``making``: one of them made into a folder, or left as it is where it was made already.
- ``index``: the page of what is in such a folder.
"""
