"""Kill, starve and crowd every command that writes, and look at what is left: ``python -m tests.chaos``.

place       the folder all this happens in, and saved states of its home
running     commands as processes of their own: started, killed, looked for afterwards
unlucky     a command that dies at its n-th change of the home, or takes dbt's work from a recording
states      what readers see of a home, as digests; Damage where something is not whole
leftovers   what a command has left lying about
stories     which command starts from which state, and what it does when nothing goes wrong
faults      one fault at a time: killed, killed at a call, a full disk
crowds      two commands at once
readers     readers that never stop while builds come and go
registry    Feast's registry under killed and simultaneous appliers
report      the table, the page and the JSON
"""
