-- Register a pool, in the place of the one of its name: name, URI, weight, flavor, options -> 1; 0 where another one has the URI.
return keep(ARGV[1], {ARGV[2], ARGV[3], ARGV[4], ARGV[5]}, pool(ARGV[1]))
