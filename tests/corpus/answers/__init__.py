"""Answers of machines and of people, made up here: no public set of vacation replies exists.

    locales    how it is said, language by language
    machines   automatic answers, by program and by what a gateway left of them; tickets and challenges
    people     what people write, out of the same programs

`python -m tests.corpus.answers` reads them all and prints how many were told right.
"""
