"""Claims every case of a database with eight threads, and prints each: run as a program.

python claimer.py DATABASE NAME
"""

import os
import sys
import threading
from pathlib import Path

from contracts.reviews import claim
from sievert.stores.database import Database
from sievert.stores.reviews.embedded import EmbeddedReviews

database = Database(sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1]))
reviews = EmbeddedReviews(database, apply=lambda connection, effects: None)


def work(name):
    while (mine := claim(reviews, name)) is not None:
        os.write(1, f"{mine.case_id} {mine.claim_id}\n".encode())  # a line whole


threads = [threading.Thread(target=work, args=(f"{sys.argv[2]}-{i}",)) for i in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
