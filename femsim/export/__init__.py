"""A static model in the formats of other finite-element programs, so that anyone can check the answer."""
