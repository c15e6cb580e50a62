package dn

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
)

// csvHeader is the first row of an import without a mapping, which may leave out the last
// column.
var csvHeader = []string{"dn", "kind", "password", "external", "groups", "outbound"}

// csvLeast is how many columns there are at least.
const csvLeast = 5

// csvFields are what a mapping can name.
var csvFields = append(slices.Clone(csvHeader), "ha1")

const (
	// maxCSVLine bounds a row in bytes.
	maxCSVLine = 16 << 10
	// maxImport bounds the DNs and groups of one import, as a node does.
	maxImport = 1_000_000
)

// errTooMany ends an import.
var errTooMany = errors.New("split the file")

// rowError is a bad row; the header is row 1.
type rowError struct {
	row int
	err error
	// fatal: nothing can be said of what follows.
	fatal bool
}

func (e rowError) Error() string { return fmt.Sprintf("row %d: %v", e.row, e.err) }

func (e rowError) Unwrap() error { return e.err }

// csvRow is a checked row of an import.
type csvRow struct {
	dn       *configpb.DN
	password string
	// ha1 is what the file has instead of a password, its algorithm in dn.
	ha1 string
}

// csvReader reads and checks an import row by row, in little memory besides
// the numbers seen. A row is a line: a field can't hold a line break.
type csvReader struct {
	lines *bufio.Scanner
	row   int
	seen  map[string]int
	// most DNs are taken.
	most int
	// header are the columns that rows have, and at is where each field is.
	header []string
	at     map[string]int
	// by is how the file is read.
	by mapping
	// kinds of DNs that were read.
	kinds map[configpb.DNKind]bool
}

func newCSVReader(r io.Reader, by mapping) (*csvReader, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxCSVLine)
	c := &csvReader{lines: lines, seen: map[string]int{}, most: maxImport, by: by, kinds: map[configpb.DNKind]bool{}}
	header, err := c.fields()
	if err == nil && len(header) > 0 {
		header[0] = strings.TrimPrefix(header[0], "\ufeff") // what spreadsheets put in front
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil, rowError{1, fmt.Errorf("the file is empty: want the header %s", by.wants()), true}
	case err != nil:
		return nil, err
	}
	c.header = header
	if c.at, err = by.find(header); err != nil {
		return nil, rowError{1, err, true}
	}
	return c, nil
}

// next returns the next row, or io.EOF. Other errors name the row.
func (c *csvReader) next() (csvRow, error) {
	f, err := c.fields()
	if err != nil {
		return csvRow{}, err
	}
	row, err := c.check(f)
	if err != nil {
		return csvRow{}, rowError{c.row, err, errors.Is(err, errTooMany)}
	}
	return row, nil
}

// fields splits the next line that is not blank.
func (c *csvReader) fields() ([]string, error) {
	for c.lines.Scan() {
		c.row++
		line := c.lines.Text()
		if strings.TrimSpace(line) == "" {
			continue
		}
		if !strings.ContainsRune(line, '"') {
			return strings.Split(line, string(c.by.comma())), nil
		}
		r := csv.NewReader(strings.NewReader(line))
		r.Comma = c.by.comma()
		r.FieldsPerRecord = -1
		f, err := r.Read()
		if err != nil {
			return nil, rowError{c.row, errors.New("a quote is not closed"), false}
		}
		return f, nil
	}
	switch err := c.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, rowError{c.row + 1, fmt.Errorf("the row is longer than %d bytes", maxCSVLine), true}
	case err != nil:
		return nil, err
	}
	return nil, io.EOF
}

func (c *csvReader) check(f []string) (csvRow, error) {
	if len(f) != len(c.header) {
		return csvRow{}, fmt.Errorf("%d fields, want %d: %s", len(f), len(c.header), strings.Join(c.header, string(c.by.comma())))
	}
	field := func(name string) string { return c.by.value(name, f, c.at) }
	number := field("dn")
	if err := config.CheckNumber(number); err != nil {
		return csvRow{}, err
	}
	if first, twice := c.seen[number]; twice {
		return csvRow{}, fmt.Errorf("DN %s is in row %d already", number, first)
	}
	if len(c.seen) == c.most {
		return csvRow{}, fmt.Errorf("more than %d DNs: %w", c.most, errTooMany)
	}
	c.seen[number] = c.row
	row, err := c.read(number, field)
	if err != nil {
		return csvRow{}, fmt.Errorf("DN %s: %w", number, err)
	}
	c.kinds[row.dn.Kind] = true
	return row, nil
}

// read makes a DN of the fields of its row.
func (c *csvReader) read(number string, field func(string) string) (csvRow, error) {
	kind, err := config.ParseKind(field("kind"))
	if err != nil {
		return csvRow{}, fmt.Errorf("kind %w", err)
	}
	groups, err := splitGroups(field("groups"), c.by.groupSeparator())
	if err != nil {
		return csvRow{}, err
	}
	row := csvRow{dn: &configpb.DN{Number: number, Kind: kind, External: field("external"), Groups: groups}, password: field("password")}
	if row.dn.Outbound, err = configpb.ParseOutbound(field("outbound")); err != nil {
		return csvRow{}, fmt.Errorf("outbound %w", err)
	}
	if ha1 := field("ha1"); ha1 != "" {
		if row.dn.Algorithm, row.ha1, err = config.ParseHA1(ha1); err != nil {
			return csvRow{}, err
		}
	}
	return row, checkCSVKind(row)
}

func checkCSVKind(row csvRow) error {
	d, password := row.dn, row.password
	name := d.Kind.Word()
	switch d.Kind {
	case configpb.DNKind_DN_KIND_SIP:
		switch {
		case password != "" && row.ha1 != "":
			return errors.New("has both a password and an ha1: want one")
		case password == "" && row.ha1 == "":
			return errors.New("kind sip needs a password")
		}
	case configpb.DNKind_DN_KIND_PSTN:
		if d.External == "" {
			return errors.New("kind pstn needs an external number, as +15551234567")
		}
	case configpb.DNKind_DN_KIND_FEATURE:
		return errors.New("kind feature needs an action, for which CSV has no column: use dn put or apply -f")
	case configpb.DNKind_DN_KIND_TRUNK:
		return errors.New("a trunk needs an address, for which CSV has no column: use dn put or apply -f")
	}
	switch {
	case d.Outbound != nil && d.Kind != configpb.DNKind_DN_KIND_SIP:
		return fmt.Errorf("kind %s makes no calls: leave outbound empty", name)
	case (password != "" || row.ha1 != "") && d.Kind != configpb.DNKind_DN_KIND_SIP:
		return fmt.Errorf("kind %s takes no password: leave the column empty", name)
	case d.External != "" && d.Kind != configpb.DNKind_DN_KIND_PSTN:
		return fmt.Errorf("kind %s takes no external number: leave the column empty", name)
	case len(password) > maxPassword:
		return fmt.Errorf("the password is longer than %d bytes", maxPassword)
	}
	return nil
}

func splitGroups(s, separator string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	groups := strings.Split(s, separator)
	for i, g := range groups {
		groups[i] = strings.TrimSpace(g)
		if groups[i] == "" {
			return nil, fmt.Errorf("a group name is empty: want names separated by %s", separator)
		}
	}
	return groups, nil
}
