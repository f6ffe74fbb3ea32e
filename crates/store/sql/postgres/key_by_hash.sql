SELECT body FROM keys WHERE hash = $1
