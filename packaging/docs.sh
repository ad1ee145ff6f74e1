#!/usr/bin/env bash
# Puts the tables that the program prints into docs/OPERATING.md, between their markers:
#   docs.sh build/release/fairlead
set -eu
program=$1 manual=docs/OPERATING.md
for table in options metrics; do
    "$program" help "$table-md" >"$manual.table"
    sed -i -e "/^<!-- $table begin -->\$/,/^<!-- $table end -->\$/{
        /^<!-- $table begin -->\$/{p;r $manual.table
        }
        /^<!-- $table end -->\$/!d
    }" "$manual"
    rm -f "$manual.table"
done
