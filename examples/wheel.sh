#!/usr/bin/env bash
# The whole story as plain commands, on the bundled sample. Run it after `make demo` or `pip install 'tunewheel[demo]'`:
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
