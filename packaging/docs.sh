#!/usr/bin/env bash
# Puts the tables that the program prints into docs/OPERATING.md, between their markers, and the profiles into
# docs/TUNING.md:
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

# The values of the profiles, with their reasons, into docs/TUNING.md.
manual=docs/TUNING.md
tuning/profiles/table.sh >"$manual.table"
sed -i -e "/^<!-- profiles begin -->\$/,/^<!-- profiles end -->\$/{
    /^<!-- profiles begin -->\$/{p;r $manual.table
    }
    /^<!-- profiles end -->\$/!d
}" "$manual"
rm -f "$manual.table"
