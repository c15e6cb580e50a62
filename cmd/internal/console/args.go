package console

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// arg is an argument as a command's Use names it.
type arg struct {
	name           string
	optional, many bool
}

// argsOf are those of a Use as "cut A [B]" or "delete NUMBER...": flags and their values
// are none.
func argsOf(use string) (list []arg) {
	words := strings.Fields(use)[1:]
	for i, w := range words {
		if strings.HasPrefix(w, "-") || i > 0 && strings.HasPrefix(words[i-1], "-") {
			continue
		}
		a := arg{name: strings.Trim(w, "[]"), optional: strings.HasPrefix(w, "[")}
		a.name, a.many = strings.CutSuffix(a.name, "...")
		list = append(list, a)
	}
	return list
}

// CheckArgs has every command below root refuse arguments that its Use does not name, and
// say which one is missing.
func CheckArgs(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		CheckArgs(cmd)
		if cmd.HasSubCommands() || !cmd.Runnable() {
			continue
		}
		wanted := argsOf(cmd.Use)
		cmd.Args = func(_ *cobra.Command, args []string) error { return checkArgs(wanted, args) }
	}
}

func checkArgs(wanted []arg, args []string) error {
	for i, a := range wanted {
		switch {
		case i >= len(args) && !a.optional:
			return Usagef("%s is missing", a.name)
		case a.many:
			return nil
		}
	}
	if len(args) > len(wanted) {
		return Usagef("%q is an argument too many", args[len(wanted)])
	}
	return nil
}

// meant is what a user may have meant by a command that there is not, as a question; ""
// when nothing is near.
func meant(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = min(2, max(1, len(word)/3))
	near := cmd.SuggestionsFor(word)
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && (swapped(word, c.Name()) || likewise(word, c.Name())) && !slices.Contains(near, c.Name()) {
			near = append(near, c.Name())
		}
	}
	if len(near) == 0 {
		return ""
	}
	return ": did you mean " + strings.Join(near, " or ") + "?"
}

// likewise tells whether two words say the same, here or in other programs: nodes are
// removed, DNs deleted and tokens revoked.
func likewise(a, b string) bool {
	for _, same := range [][]string{{"delete", "remove", "revoke", "rm", "del"}, {"put", "create", "add", "new", "set"}, {"list", "ls"}, {"get", "show"}} {
		if slices.Contains(same, a) && slices.Contains(same, b) {
			return true
		}
	}
	return false
}

// swapped tells whether a word is another one of which two letters that are next to each
// other have changed places: one mistake of who types, which counts as two in a distance.
func swapped(word, of string) bool {
	for i := 1; i < len(word) && len(word) == len(of); i++ {
		if word[i] != of[i-1] || word[i-1] != of[i] {
			continue
		}
		if word[:i-1] == of[:i-1] && word[i+1:] == of[i+1:] && word != of {
			return true
		}
	}
	return false
}
