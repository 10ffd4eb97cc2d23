"""What can be said of a definition without running it, for people who write or review one. Pure, as the core.

lint        second thoughts            graph      Mermaid, and SVG: `drawing` over `layout` over `lettering`
rehearsal   what would be undone       paths      the ways through a journey
"""
