-- Remove a subscription: id.
remove(ARGV[2])
return 1
