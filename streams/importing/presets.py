"""What the exports of well-known CRMs call our fields: of several columns of a field, the first that is not blank.

HubSpot's are those of its contacts and companies exports; Salesforce's those of the Data Loader and of its reports,
for leads, contacts and accounts. Capitals, spaces and punctuation make no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from streams.importing.fields import ACCOUNTS, LEADS, MODIFIED

Names = Mapping[str, tuple[str, ...]]
"""Field -> what its columns are called, in rank."""


class Preset(StrEnum):
    """Whose names a file's columns have."""

    LEADHEAT = "leadheat"
    HUBSPOT = "hubspot"
    SALESFORCE = "salesforce"


def names_of(preset: Preset, noun: str) -> Names:
    """Return what a preset calls the fields of leads or accounts."""
    return _NAMES.get((preset, noun), {})


_HUBSPOT_CONTACTS: Final[Names] = {
    "email": ("Email",),
    "account_id": (
        "Associated Company IDs (Primary)",
        "Primary Associated Company ID",
        "Associated Company ID",
        "Associated Company IDs",
    ),
    MODIFIED: ("Last Modified Date",),
    "domain": ("Company Domain Name", "Website URL"),
    "crm_id": ("Record ID", "Contact ID"),
    "first_name": ("First Name",),
    "last_name": ("Last Name",),
    "job_title": ("Job Title",),
    "phone": ("Phone Number", "Mobile Phone Number"),
    "owner": ("Contact owner",),
    "lead_source": ("Original Source", "Original Traffic Source"),
    "lifecycle_stage": ("Lifecycle Stage",),
    "company": ("Company name", "Associated Company (Primary)", "Associated Company"),
    "industry": ("Industry",),
    "employees": ("Number of Employees",),
    "revenue": ("Annual Revenue",),
    "country": ("Country/Region", "Country"),
}

_HUBSPOT_COMPANIES: Final[Names] = {
    "account_id": ("Record ID", "Company ID"),
    "domain": ("Company Domain Name", "Website URL"),
    MODIFIED: ("Last Modified Date",),
    "name": ("Company name", "Name"),
    "industry": ("Industry",),
    "employees": ("Number of Employees",),
    "revenue": ("Annual Revenue",),
    "technologies": ("Web Technologies",),
    "country": ("Country/Region", "Country"),
    "city": ("City",),
    "phone": ("Phone Number",),
    "stakeholders": ("Number of Associated Contacts",),
    "owner": ("Company owner",),
    "account_type": ("Type",),
    "lifecycle_stage": ("Lifecycle Stage",),
}

_SALESFORCE_LEADS: Final[Names] = {
    "email": ("Email",),
    "account_id": ("AccountId",),
    MODIFIED: ("LastModifiedDate", "SystemModstamp"),
    "domain": ("Website",),
    "crm_id": ("Id", "LeadId", "ContactId", "18 Digit ID"),
    "name": ("Name", "Full Name"),
    "first_name": ("FirstName",),
    "last_name": ("LastName",),
    "job_title": ("Title",),
    "phone": ("Phone", "MobilePhone", "Mobile"),
    "owner": ("Owner.Name", "Lead Owner", "Contact Owner", "Owner", "OwnerId"),
    "lead_source": ("LeadSource",),
    "lifecycle_stage": ("Status", "Lead Status"),
    "company": ("Company", "Company / Account", "Account Name"),
    "industry": ("Industry",),
    "employees": ("NumberOfEmployees", "No. of Employees", "Employees"),
    "revenue": ("AnnualRevenue",),
    "country": ("Country", "MailingCountry", "CountryCode"),
}

_SALESFORCE_ACCOUNTS: Final[Names] = {
    "account_id": ("Id", "AccountId", "18 Digit ID"),
    "domain": ("Website",),
    MODIFIED: ("LastModifiedDate", "SystemModstamp"),
    "name": ("Name", "Account Name"),
    "industry": ("Industry",),
    "employees": ("NumberOfEmployees", "No. of Employees", "Employees"),
    "revenue": ("AnnualRevenue",),
    "country": ("BillingCountry", "BillingCountryCode", "ShippingCountry"),
    "city": ("BillingCity", "ShippingCity"),
    "phone": ("Phone",),
    "owner": ("Owner.Name", "Account Owner", "Owner", "OwnerId"),
    "account_type": ("Type",),
}

_NAMES: Final = {
    (Preset.HUBSPOT, LEADS.noun): _HUBSPOT_CONTACTS,
    (Preset.HUBSPOT, ACCOUNTS.noun): _HUBSPOT_COMPANIES,
    (Preset.SALESFORCE, LEADS.noun): _SALESFORCE_LEADS,
    (Preset.SALESFORCE, ACCOUNTS.noun): _SALESFORCE_ACCOUNTS,
}
