#!/usr/bin/env bash
# The whole story as plain commands, on the bundled sample. Run it after `make demo` or
# `pip install 'tunewheel[demo,serve]'`:
#   bash examples/wheel.sh
set -euo pipefail
[ -x .venv/bin/tunewheel ] && PATH="$PWD/.venv/bin:$PATH"
export TUNEWHEEL_HOME="${TUNEWHEEL_HOME:-$(mktemp -d)/wheel}"
say() { printf '\n\033[36m# %s\033[0m\n' "$*"; }

say "The sample's files: English and Chinese, each a folder with train, dev and test"
tunewheel demo --data-only
en="$TUNEWHEEL_HOME/demo/en" zh="$TUNEWHEEL_HOME/demo/zh"

say "Adapt a pretrained model to the English intents; evaluate it; register it as champion"
tunewheel train "$en" --name intents --task classification --epochs 3

say "Find entities in the Chinese messages, on the bundled Chinese base"
tunewheel train "$zh" --name entities --task ner --epochs 6

say "Train longer: a second version, in front only if it is measurably better on the same test rows"
tunewheel train "$en" --name intents --task classification --epochs 8
tunewheel models

say "Compare both versions on the test rows, pair by pair"
tunewheel evaluate "$en" --task classification --model intents:1 --model intents:2

say "Predict a stream: every column is kept, in order"
head -n 3 "$en/test.jsonl" | tunewheel predict intents

say "Score any file of predictions the same way"
tunewheel predict intents "$en/test.jsonl" -o "$TUNEWHEEL_HOME/predicted.jsonl"
tunewheel evaluate "$en" --task classification --predictions "$TUNEWHEEL_HOME/predicted.jsonl" --json | cut -c 1-200

say "Where it came from, and the training rows behind its surest errors; then from a file to all that learned from it"
tunewheel trace intents@champion
tunewheel trace intents --errors 2 --nearest 2
tunewheel trace "$en/train.jsonl"

say "Put a version in front by hand, and take that back"
tunewheel promote intents:1 --why "to show how"
tunewheel promote intents:2 --why "to show how"
tunewheel rollback intents --why "the old one was fine"

say "The better one in front again; serve it: every answer names its version, and is recorded with personal data masked"
tunewheel promote intents:2 --why "better on the same rows"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
tunewheel serve intents --port "$port" --workers 1 2> "$TUNEWHEEL_HOME/serve.log" &
server=$!
trap 'kill $server' EXIT
ready() { curl -sf "http://127.0.0.1:$port/health/ready" > /dev/null; }
for _ in $(seq 300); do ready && break; sleep 0.2; done
ask() {
    curl -sf "http://127.0.0.1:$port/v1/models/intents/predict" -H 'content-type: application/json' \
        -d '{"text": "how do I put my card on my watch to pay with it, my number is 138 1234 5678"}' | cut -c 1-160
    echo
}
ask

say "Later a new intent comes up, digital_wallet: people label what they see, and it comes in as feedback"
tunewheel feedback import intents "$TUNEWHEEL_HOME/demo/later-en.jsonl"
tunewheel suggest intents -n 2

say "One turn of the wheel: learn on from all of it, pass the gate, come in front or not"
tunewheel update intents --margin test=0.05 --margin slices=0.3 --margin earlier=0.1 || true
tunewheel models intents

say "The service has followed its champion; then take it back"
sleep 3
ask
tunewheel rollback intents --why "to show how"
