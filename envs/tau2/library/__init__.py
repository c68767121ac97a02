"""The embedded domain: the desk of a public library.

``embedded``              the library as a domain
``generate``              its database
``tools``, ``policy``     what the desk can do, and what it may do
``requests``              what members want: the tasks
``customer``, ``desk``    a member in conversation; what an agent could do next, and what an expert would
"""
