"""The viewer: a page in which a person looks at the credits of any number of episodes.

- What it shows: ``shown_run``, runs with their credits and reasons; ``overview``, what is known of all of them at once;
  ``leaves``, what is read of a few episodes at a time, with texts that ``shown_texts`` writes down once.
- How it gets there: ``page_shell``, the one HTML file, whose script ``script_modules`` puts together; ``live_view``,
  the same page from a store that grows.
- ``*.mjs``: the script, in modules that Node tests; ``main.mjs`` is read first.
"""
