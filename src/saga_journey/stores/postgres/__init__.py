"""The store of many workers: one PostgreSQL database, commits in groups, several of them under way.

`store.PostgresStore` is imported by who opens one: it needs asyncpg, which is optional.
"""
