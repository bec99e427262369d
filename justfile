# Short names for the commands of every day; the README's commands do not need this file.

# run the desk with the embedded store
run *args:
    cargo run --release -- {{args}}

# everything that CI runs
test:
    bash scripts/test.sh

# one bench, as `just bench routing`
bench name:
    cargo bench --bench {{name}}

# rows for the README's table of benches
bench-rows:
    cargo bench --bench conversation --bench mailbox --bench fanout | grep '^|'

# the driver against a running desk, as `just load relay --help`
load *args:
    cargo run --release -p rushdesk-loadtest -- {{args}}
