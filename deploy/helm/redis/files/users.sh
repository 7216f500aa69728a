#!/bin/sh
# Writes the users and what each may do to standard output. PASSWORDS is the directory with a file for each user.
set -eu

user() {
  name=$1
  shift
  digest=$(printf '%s' "$(cat "$PASSWORDS/$name")" | sha256sum | cut -d ' ' -f 1)
  printf 'user %s on #%s resetkeys resetchannels -@all %s\n' "$name" "$digest" "$*"
}

# Without a password one may only ask whether the server answers: the probes do.
echo 'user default on nopass resetkeys resetchannels -@all +ping'

# These only wake others up and are woken.
for name in scheduler reaper; do
  user "$name" '&tidewheel:wake:*' +@connection +@pubsub +info
done
# It also appends hints, where the dispatcher says that a queue is open.
user gateway '~tidewheel:{*' '~tidewheel:queues' '~tidewheel:open' '~tidewheel:bundle-sizes' '&tidewheel:wake:*' \
  +@connection +@pubsub +info +time +get +hgetall +sadd +xinfo +xadd +evalsha '+script|load'
user dispatcher '~tidewheel:*' '&tidewheel:wake:*' +@all -@admin -@dangerous +info
# Celery keeps its own keys and channels beside ours.
user executor '~*' '&*' +@all -@admin -@dangerous +info
# Only where Flower runs is there a password for it. It asks workers and hears their events; ours it may not touch.
if [ -f "$PASSWORDS/flower" ]; then
  user flower '~_kombu.*' '~*.pidbox*' '~celeryev*' '~unacked*' '&/0.celeryev/*' '&/0.celery.pidbox*' +@all -@admin -@dangerous +info
fi
