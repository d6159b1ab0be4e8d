"""Questions that hardly any folder of documents answers, on as many subjects as there are questions.

What they reach in an index is what a question reaches there without an answer: the noise that an answer has to rise
above. A folder that does answer some of them is no harm, since their median counts.
"""

from __future__ import annotations

QUESTIONS = (
    "How long should sourdough rest before it goes into the oven?",
    "Who composed the second violin sonata in G minor?",
    "What is the boiling point of acetone at sea level?",
    "Where is the source of the river Okavango?",
    "Who won the curling bronze medal in 2006?",
    "How do I descale an espresso machine?",
    "When was the lighthouse at Peggy's Cove built?",
    "What rights does a tenant have when the heating fails?",
    "How many moons does Neptune have?",
    "What is the capital gains tax on inherited land?",
    "How do you say thank you in Georgian?",
    "What is the half-life of iodine-131?",
    "How is the offside rule applied in field hockey?",
    "What did the emperor Hadrian build in the north?",
    "Why was the bridge over the Tacoma Narrows lost?",
    "How do I reset the password of a wireless router?",
    "Which country exports the most vanilla?",
    "How deep is Lake Baikal?",
    "Who wrote the libretto of Rusalka?",
    "Which muscles does rowing train?",
    "Where do monarch butterflies spend the winter?",
    "Who holds the record for the longest solo flight in a glider?",
    "Which beetle destroys spruce forests?",
    "When is the deadline for the spring enrolment?",
    "How does a heat pump work in winter?",
    "Which plugin compresses images before they are uploaded?",
    "Why does bread go stale faster in the refrigerator?",
    "What did the jury decide in the copyright case about the lullaby?",
    "How do bees tell each other where flowers are?",
    "What is the minimum age for a pilot licence?",
    "How many players are on a water polo team?",
    "What is the torque of the cylinder head bolts?",
)
