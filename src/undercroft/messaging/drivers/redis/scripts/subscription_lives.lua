-- Whether there is a subscription, which has not expired: its id -> 1; nil where there is none.
return find(ARGV[2]) and 1
