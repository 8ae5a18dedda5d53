"""One inspection day, played against a server of its own: `make demo`.

A chapter is a module with `play(story)`; `__main__` lists them in order. `story.step` says what
happens, `story.came_back` what the server answered, `expect` and `equal` end the demo at the first
thing that is not as it should be. A `Caller` is a phone or a desk that speaks HTTP; nothing in a
chapter reaches into the server or its data base.
"""
