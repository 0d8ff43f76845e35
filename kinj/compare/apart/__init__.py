"""The units of one plan done apart from each other, on any number of machines that see its folder."""
