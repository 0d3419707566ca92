"""Connected components of a file's values by DuckDB: python with_duckdb.py EDGES

EDGES: CSV without a header, an e-mail address and a phone number a row, one of them blank perhaps.
Prints the seconds that reading and numbering took, those of the components, and how many there are.
"""

import sys
import time

import duckdb

READ = """
CREATE TABLE seen AS
SELECT 'e' || email AS email, 'p' || phone AS phone
FROM read_csv(?, header = false, columns = {'email': 'VARCHAR', 'phone': 'VARCHAR'});
"""

NUMBER = """
CREATE TABLE node AS
SELECT row_number() OVER () AS id, value
FROM (SELECT email AS value FROM seen UNION SELECT phone FROM seen) WHERE value IS NOT NULL;
CREATE TABLE edge AS
WITH one_way AS (
    SELECT DISTINCT one.id AS source, other.id AS target
    FROM seen JOIN node AS one ON one.value = seen.email JOIN node AS other ON other.value = seen.phone
)
SELECT source, target FROM one_way UNION ALL SELECT target, source FROM one_way;
"""

# As in DuckDB's own documents of USING KEY: each node takes the least number among its neighbours', until none changes.
COMPONENTS = """
WITH RECURSIVE component (id, least) USING KEY (id) AS (
    SELECT id, id FROM node
    UNION
    SELECT changed.id, min(changed.least)
    FROM (
        SELECT edge.target AS id, component.least
        FROM component
        JOIN edge ON edge.source = component.id
        JOIN recurring.component AS known ON known.id = edge.target
        WHERE component.least < known.least
    ) AS changed
    GROUP BY changed.id
)
SELECT count(DISTINCT least) FROM component
"""

connection = duckdb.connect()
begin = time.perf_counter()
connection.execute(READ, [sys.argv[1]])
connection.execute(NUMBER)
read = time.perf_counter()
[(count,)] = connection.execute(COMPONENTS).fetchall()
print(read - begin, time.perf_counter() - read, count)
