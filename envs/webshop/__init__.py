"""credit/WebShop-v0: the rules of WebShop without its server, its browser and its Java search engine."""
