# Reads TAP with Perl's own TAP::Parser, which `prove` stands on, and says what it has understood: one JSON list, with the points
# of each file. Fails at the first file that it finds a fault in.
use strict;
use warnings;
use JSON::PP;
use TAP::Parser;

my @told;
for my $file (@ARGV) {
    open my $handle, '<:raw', $file or die "$file: $!\n";
    my $tap = do { local $/; <$handle> };
    # One that is older refuses the number, and reads the rest.
    $tap =~ s/^TAP version 14$/TAP version 13/m if $TAP::Parser::VERSION < 3.46;
    my $parser = TAP::Parser->new({ tap => $tap });
    my @points;
    while (my $line = $parser->next) {
        die "$file: not TAP: " . $line->as_string . "\n" if $line->is_unknown;
        next unless $line->is_test;
        push @points, {
            number      => $line->number + 0,
            ok          => $line->is_actual_ok ? JSON::PP::true : JSON::PP::false,
            passes      => $line->is_ok ? JSON::PP::true : JSON::PP::false,
            description => $line->description,
            directive   => $line->directive,
            explanation => $line->explanation,
        };
    }
    die "$file: " . join('; ', $parser->parse_errors) . "\n" if $parser->parse_errors;
    push @told, { planned => $parser->tests_planned + 0, points => \@points };
}
print JSON::PP->new->utf8->encode(\@told);
