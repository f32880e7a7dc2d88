"""Rows of files as records of our topics: what a column means, what a cell says, and which rows are refused.

table.py     a CSV file as rows, whatever its encoding and delimiter
cells.py     what a cell says: a number, a list, a time (times.py)
fields.py    what columns can be mapped to, and presets.py what others call it
columns.py   a heading held against the fields
leads.py     rows as `identified` events; accounts.py as account updates; events.py as events
rows.py      each row checked as a worker would, and given an id that is the same every time
writer.py    the way to Kafka; nothing else here moves
"""
