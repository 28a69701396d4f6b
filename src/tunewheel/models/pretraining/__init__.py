"""Language-model pretraining: plain text in, a backbone folder out that `train --base FOLDER` takes."""
