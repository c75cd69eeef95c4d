"""Moving in from Postfix and Dovecot: their files read, and a config.toml made of them, with a word on every setting.

    main_cf, dovecot_conf     their files as values; pure
    postfix, dovecot          from those values to a `Draft`; the tables of what is known stand in `postfix_tables`, `postfix_values`
    importing                 the files themselves; the draft checked as a configuration

Comes from: `cli.importing`. Gives to: the operator, a file and a report. May import: `config`. Invariant: each setting that stands in
a file has a row, and what is written can be loaded.
"""
