"""Which column is which field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.campaigns.columns import ColumnError, match_columns, normal_name


@pytest.mark.parametrize(
    "name", ["email", "EMAIL", " E-Mail ", "e mail", "Email Address", "E-mail address", "emailAddress", "mail"]
)
def test_an_address_is_found_under_any_of_its_names(name: str) -> None:
    assert match_columns([name, "x"], {}).fields[0] == "email"


def test_the_persons_fields_are_found_by_synonym() -> None:
    header = ["mail", "Given Name", "Surname", "Organisation", "Job Title"]
    assert match_columns(header, {}).fields == ("email", "first_name", "last_name", "company", "position")


def test_the_fields_own_name_wins_over_a_synonym() -> None:
    assert match_columns(["email", "E-mail"], {}).fields == ("email", "e_mail")


def test_other_columns_become_names_a_template_can_use() -> None:
    assert match_columns(["email", "Plan Type", "Größe (cm)"], {}).fields == ("email", "plan_type", "größe_cm")


def test_a_column_without_a_name_is_left_out_with_a_notice() -> None:
    columns = match_columns(["email", "", "city"], {})
    assert columns.fields == ("email", None, "city")
    assert columns.notices == ("column 2 has no name and is left out",)


def test_two_columns_that_fall_together_are_an_error() -> None:
    with pytest.raises(ColumnError, match="'Plan' and 'plan' are both plan"):
        match_columns(["email", "Plan", "plan"], {})


def test_a_file_without_an_address_column_says_what_it_found() -> None:
    with pytest.raises(ColumnError, match="no column holds the address; found 'a', 'b'"):
        match_columns(["a", "b"], {})


@given(st.text(max_size=40))
def test_normalising_a_name_is_stable(name: str) -> None:
    assert normal_name(normal_name(name)) == normal_name(name)
