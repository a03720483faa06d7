"""The parts of every page: one style, plots and bars as SVG, tables, escaped text.

style        how it looks: one column a phone can show, light or dark
number_text  numbers as text
bars         bars and intervals below each other, each with its label and number
timelines    spans of time below each other
axes         where a value stands on a plot, and what is written beside it
plot         lines, bands, dots and columns over two axes
document     sections, tiles, tables, and the file
"""
