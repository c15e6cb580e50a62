package console

import (
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
	if len(near) == 0 {
		return ""
	}
	return ": did you mean " + strings.Join(near, " or ") + "?"
}
