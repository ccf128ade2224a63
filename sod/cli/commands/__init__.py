"""Commands of the program, one module each; a function's parameters are the options.

``sod.cli.catalogue`` lists them. They are imported when they run.
"""
