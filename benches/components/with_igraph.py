"""Connected components of a file's values by igraph: python with_igraph.py EDGES

EDGES: CSV without a header, an e-mail address and a phone number a row, one of them blank perhaps.
Prints the seconds that reading and numbering took, those of the components, and how many there are.
"""

import csv
import sys
import time

import igraph

begin = time.perf_counter()
numbers = {}
edges = []
with open(sys.argv[1], newline="") as file:
    for email, phone in csv.reader(file):
        ends = [numbers.setdefault(value, len(numbers)) for value in ("e" + email, "p" + phone) if len(value) > 1]
        if len(ends) == 2:
            edges.append(ends)
graph = igraph.Graph(n=len(numbers), edges=edges)
read = time.perf_counter()
count = len(graph.connected_components(mode="weak"))
print(read - begin, time.perf_counter() - read, count)
